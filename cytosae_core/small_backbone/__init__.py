"""The small backbone that ships with the workbench: how its weights are made, step by step, and how they are probed."""
