"""The images of operator and engine: built by what is here, or packed without a builder."""
