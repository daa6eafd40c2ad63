"""`medfm finetune`."""
