"""From tokens and an autoencoder to an atlas."""
