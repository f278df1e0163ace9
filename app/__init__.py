"""The labelling app: Streamlit screens over `cytosae_core`."""
