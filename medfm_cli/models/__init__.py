"""Backbones, heads, and the model directory that passes between verbs.

`spec`, `config` and `card` need no torch; `backbones`, `heads`, `classifier`, `weights`,
`inputs` and `directory` do.
"""
