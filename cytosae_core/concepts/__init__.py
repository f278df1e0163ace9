"""What latents know: attributes, where they fire, single directions scored."""
