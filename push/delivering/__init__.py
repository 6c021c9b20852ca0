"""Handing deliveries over: taking, deciding, pacing, noting what became of them."""
