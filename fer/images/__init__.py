"""Pictures and clips: finding, decoding and drawing them."""
