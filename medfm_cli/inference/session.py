"""A model in ONNX Runtime: from uint8 images to named arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError

INPUT = "image"
_EXTERNAL_WEIGHTS = "session.model_external_initializers_file_folder_path"
"""The folder in which ONNX Runtime looks for weights outside the model. It is given the model
itself, in which there are no files: weights elsewhere have no checksum in the bundle."""


class OnnxSession:
    """An ONNX model on the CPU.

    Args:
        path: the .onnx file.
        threads: threads of one run; 0 uses all cores.

    Raises:
        DataError: ONNX Runtime cannot read the file, or its weights lie in other files.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry(_EXTERNAL_WEIGHTS, str(path.absolute()))
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common base class
            reason = str(error).splitlines()[0][:200]
            raise DataError(f"{path} cannot be loaded by ONNX Runtime: {reason}") from None
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run uint8 images [N,C,S,S]; returns each output by name, float32 [N,…]."""
        values = self._session.run(self.outputs, {INPUT: np.ascontiguousarray(images)})
        return dict(zip(self.outputs, values, strict=True))
