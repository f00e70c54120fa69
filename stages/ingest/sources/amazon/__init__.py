"""Amazon's reviews and products, the releases of 2014, 2018 and 2023."""
