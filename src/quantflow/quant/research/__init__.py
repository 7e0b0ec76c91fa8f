"""What many trials on the same data are worth: overfitting, effective numbers, importance, and choice in hindsight."""
