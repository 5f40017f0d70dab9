"""Images: finding them, decoding them, and bringing them to the shape a network takes."""
