"""Who has the floor: a pure function from what is seen to what is done, frame by frame."""
