"""How rtcdp is run elsewhere than on a laptop: real servers, containers."""
