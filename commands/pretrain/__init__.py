"""`medfm pretrain`."""
