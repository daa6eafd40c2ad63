"""A verb for tests: it counts, and ends in whichever way its recipe asks for."""
