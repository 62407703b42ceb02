"""What the bench talks with: `base` says what a target must do, `factory` finds one by name."""
