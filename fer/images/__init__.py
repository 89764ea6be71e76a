"""Pictures and clips: what is read, decoded and drawn."""
