"""The labelling app: Streamlit screens over `cytosae_core`."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent, until `app.log` is started
