"""Arrays in, arrays out: everything between an image and its prediction."""
