"""Events and a protocol to train, valid and test, and the cases to rank."""
