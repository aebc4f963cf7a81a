"""Other people's file layouts and engines."""
