"""What a sample is: its content, its bytes and its modality. Stands on nothing."""
