"""A model in ONNX Runtime: uint8 images in, named arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError

INPUT = "image"


class OnnxSession:
    """An ONNX model on the CPU.

    Args:
        path: the .onnx file.
        threads: threads of one run; 0 lets ONNX Runtime take every core.

    Raises:
        DataError: ONNX Runtime cannot read the file.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no base of their own
            reason = str(error).splitlines()[0][:200]
            raise DataError(f"{path} cannot be loaded by ONNX Runtime: {reason}") from None
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run [N,C,S,S] uint8 images; gives each output by its name, [N,…] float32."""
        values = self._session.run(self.outputs, {INPUT: np.ascontiguousarray(images)})
        return dict(zip(self.outputs, values, strict=True))
