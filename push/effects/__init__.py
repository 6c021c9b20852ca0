"""What a push caused: the funnel, and those told against those held out."""
