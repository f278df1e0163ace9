"""Sampling, differential latents and the statistics built on an atlas."""
