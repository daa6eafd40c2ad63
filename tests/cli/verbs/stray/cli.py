"""`medfm stray`, in tests only."""


def command() -> None:
    """Fall over."""
    patient = "DOE^JANE"
    raise LookupError(patient)
