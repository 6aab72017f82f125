//! What only the Docker engine can do or get wrong.
