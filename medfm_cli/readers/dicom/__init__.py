"""DICOM: images, series, multi-frame objects and waveforms."""
