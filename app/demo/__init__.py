"""A fictional ice-cream chain with ninety days behind it, told through the domain functions."""
