"""Which slot, which step, by which deadline: sessions over one batch of the model."""
