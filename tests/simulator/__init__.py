"""Tests of the simulated cloud, told over real HTTP."""
