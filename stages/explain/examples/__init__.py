"""The papers' examples of single people: their acts before an item, as the models of the cells weigh them."""
