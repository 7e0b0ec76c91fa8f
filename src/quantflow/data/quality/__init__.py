"""What is held against prices: the contract, and who may be used when."""
