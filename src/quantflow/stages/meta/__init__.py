"""The stages of a meta run: from the streams and books of sleeves to one portfolio."""
