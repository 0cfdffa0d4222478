#!/usr/bin/env python3
"""Run the exported model once and compare with the published vector: check_model.py LIBONNXRUNTIME MODEL_DIR

Drives ONNX Runtime's C interface through ctypes, so that what is proved is the very library and the very file that
the product loads, with no Python packages to install. Ends 0 and says nothing when all is well.
"""
import ctypes
import json
import math
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path

SENTENCE = "This is an example sentence"
PUBLISHED = [0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480]
TOLERANCE = 2e-6
WIDTH = 384

# Positions in OrtApi, a table of functions that only ever grows at its end (onnxruntime_c_api.h).
API_VERSION = 17
GET_ERROR_MESSAGE, CREATE_ENV, CREATE_SESSION, RUN, CREATE_SESSION_OPTIONS = 2, 3, 7, 9, 10
SET_INTRA_OP_NUM_THREADS, CREATE_TENSOR_WITH_DATA, GET_TENSOR_MUTABLE_DATA, CREATE_CPU_MEMORY_INFO = 24, 49, 51, 69
TENSOR_INT64 = 7


class ApiBase(ctypes.Structure):
    _fields_ = [("get_api", ctypes.CFUNCTYPE(c_void_p, c_uint32)), ("get_version", ctypes.CFUNCTYPE(c_char_p))]


class Ort:
    def __init__(self, library):
        lib = ctypes.CDLL(library)
        lib.OrtGetApiBase.restype = POINTER(ApiBase)
        table = lib.OrtGetApiBase().contents.get_api(API_VERSION)
        if not table:
            raise SystemExit(f"check_model: {library} is older than C API {API_VERSION}")
        self.table = ctypes.cast(table, POINTER(c_void_p))

    def call(self, index, *arguments):
        """Every function used here returns null or an error."""
        function = ctypes.CFUNCTYPE(c_void_p, *[type(a) if not isinstance(a, bytes) else c_char_p for a in arguments])
        status = function(self.table[index])(*arguments)
        if status:
            message = ctypes.CFUNCTYPE(c_char_p, c_void_p)(self.table[GET_ERROR_MESSAGE])(status)
            raise SystemExit(f"check_model: ONNX Runtime says: {message.decode()}")

    def make(self, index, *arguments):
        """A function whose last parameter receives a new object."""
        result = c_void_p()
        self.call(index, *arguments, ctypes.pointer(result))
        return result


def hidden_states(ort, model, ids):
    env = ort.make(CREATE_ENV, c_int(3), b"check")
    options = ort.make(CREATE_SESSION_OPTIONS)
    ort.call(SET_INTRA_OP_NUM_THREADS, options, c_int(1))
    session = ort.make(CREATE_SESSION, env, str(model).encode(), options)
    memory = ort.make(CREATE_CPU_MEMORY_INFO, c_int(0), c_int(0))

    shape = (c_int64 * 2)(1, len(ids))
    columns = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
    buffers = [(c_int64 * len(ids))(*values) for values in columns.values()]
    tensors = [
        ort.make(CREATE_TENSOR_WITH_DATA, memory, ctypes.cast(b, c_void_p), c_size_t(ctypes.sizeof(b)),
                 ctypes.cast(shape, POINTER(c_int64)), c_size_t(2), c_int(TENSOR_INT64))
        for b in buffers
    ]
    names = (c_char_p * 3)(*[n.encode() for n in columns])
    inputs = (c_void_p * 3)(*[t.value for t in tensors])
    output_names, outputs = (c_char_p * 1)(b"last_hidden_state"), (c_void_p * 1)()
    ort.call(RUN, session, c_void_p(), names, inputs, c_size_t(3), output_names, c_size_t(1), outputs)
    data = ort.make(GET_TENSOR_MUTABLE_DATA, c_void_p(outputs[0]))
    flat = ctypes.cast(data, POINTER(c_float))
    return [[flat[row * WIDTH + i] for i in range(WIDTH)] for row in range(len(ids))]


def embedding(rows):
    mean = [sum(column) / len(rows) for column in zip(*rows)]
    length = math.sqrt(sum(x * x for x in mean))
    return [x / length for x in mean]


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[2])
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    # every word of the sentence is a whole word piece, so no tokenizer is needed here
    ids = [vocabulary[w] for w in ["[CLS]", *SENTENCE.lower().split(), "[SEP]"]]
    found = embedding(hidden_states(Ort(sys.argv[1]), folder / "model.onnx", ids))[: len(PUBLISHED)]
    if any(abs(a - b) > TOLERANCE for a, b in zip(found, PUBLISHED)):
        raise SystemExit(f"check_model: the vector starts {found}, the published one starts {PUBLISHED}")


if __name__ == "__main__":
    main()
