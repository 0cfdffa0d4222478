#!/usr/bin/env python3
"""Write all-MiniLM-L6-v2 as an ONNX graph: export_model.py WEIGHTS_DIR OUT.onnx

The published weights come as safetensors without a graph, and the usual exporters need gigabytes of packages and
give other bytes with every version. A BERT encoder is few operators, and both file formats are simple, so this
writes the protobuf itself: standard library only, the same bytes from the same weights on every machine.

Inputs   input_ids, attention_mask, token_type_ids   int64 [batch, sequence]
Output   last_hidden_state                           float [batch, sequence, 384], not yet pooled or normalised
"""
import array
import json
import struct
import sys
from pathlib import Path

IR_VERSION, OPSET = 9, 20  # opset 20 is the first with Gelu as one operator
FLOAT, INT64 = 1, 7        # TensorProto.DataType


# ---- protobuf, the four wire shapes that ONNX files need -------------------------------------------------------

def varint(n):
    n &= (1 << 64) - 1  # negative numbers are ten bytes of two's complement
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def single(field, x):
    return varint(field << 3 | 5) + struct.pack("<f", x)


def block(field, body):
    body = body.encode() if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(body)) + body


# ---- ONNX messages ---------------------------------------------------------------------------------------------

def tensor(name, kind, dims, raw):
    return b"".join(number(1, d) for d in dims) + number(2, kind) + block(8, name) + block(9, raw)


def attribute(name, value):
    if isinstance(value, float):
        return block(1, name) + single(2, value) + number(20, 1)
    if isinstance(value, int):
        return block(1, name) + number(3, value) + number(20, 2)
    return block(1, name) + b"".join(number(8, v) for v in value) + number(20, 7)


def value_info(name, kind, dims):
    shape = b"".join(block(1, block(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, shape)))


class Graph:
    """Nodes and initializers in the order in which they were added. Names are the tensors' names."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def node(self, op, inputs, output, **attributes):
        body = b"".join(block(1, i) for i in inputs) + block(2, output) + block(3, output) + block(4, op)
        body += b"".join(block(5, attribute(k, v)) for k, v in attributes.items())
        self.nodes.append(block(1, body))
        return output

    def floats(self, name, dims, raw):
        self.initializers.append(block(5, tensor(name, FLOAT, dims, raw)))
        return name

    def ints(self, name, values, dims=None):
        raw = struct.pack(f"<{len(values)}q", *values)
        self.initializers.append(block(5, tensor(name, INT64, [len(values)] if dims is None else dims, raw)))
        return name

    def model(self, inputs, outputs):
        graph = b"".join(self.nodes) + block(2, "all-MiniLM-L6-v2") + b"".join(self.initializers)
        graph += b"".join(block(11, i) for i in inputs) + b"".join(block(12, o) for o in outputs)
        opset = block(1, "") + number(2, OPSET)
        return number(1, IR_VERSION) + block(2, "learnhub export_model") + block(7, graph) + block(8, opset)


# ---- the weights -----------------------------------------------------------------------------------------------

class Weights:
    """A safetensors file: a JSON table of contents, then the raw little-endian tensors."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        self.contents = json.loads(data[8 : 8 + length])
        self.body = memoryview(data)[8 + length :]

    def get(self, name):
        entry = self.contents[name]
        if entry["dtype"] != "F32":
            raise SystemExit(f"export_model: {name} is {entry['dtype']}, expected F32")
        start, end = entry["data_offsets"]
        return entry["shape"], bytes(self.body[start:end])

    def transposed(self, name):
        """Linear layers are stored [out, in]; MatMul wants [in, out]."""
        (rows, cols), raw = self.get(name)
        flat = array.array("f", raw)
        return [cols, rows], b"".join(flat[c::cols].tobytes() for c in range(cols))


# ---- the encoder -----------------------------------------------------------------------------------------------

def encoder(weights, config):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    eps = float(config["layer_norm_eps"])
    if config["hidden_act"] != "gelu":
        raise SystemExit(f"export_model: activation {config['hidden_act']} is not what this graph computes")
    g = Graph()

    def copy(name):
        return g.floats(name, *weights.get(name))

    def linear(x, layer):
        product = g.node("MatMul", [x, g.floats(f"{layer}.weight", *weights.transposed(f"{layer}.weight"))], f"{layer}.matmul")
        return g.node("Add", [product, copy(f"{layer}.bias")], f"{layer}.out")

    def norm(x, layer):
        return g.node("LayerNormalization", [x, copy(f"{layer}.weight"), copy(f"{layer}.bias")], f"{layer}.out", axis=-1, epsilon=eps)

    def split_heads(x, order):
        parts = g.node("Reshape", [x, "heads_shape"], f"{x}.heads")
        return g.node("Transpose", [parts], f"{x}.split", perm=order)

    def attention(x, layer, mask):
        query = split_heads(linear(x, f"{layer}.self.query"), [0, 2, 1, 3])
        key = split_heads(linear(x, f"{layer}.self.key"), [0, 2, 3, 1])
        value = split_heads(linear(x, f"{layer}.self.value"), [0, 2, 1, 3])
        scores = g.node("MatMul", [query, key], f"{layer}.scores")
        scores = g.node("Div", [scores, "scale"], f"{layer}.scaled")
        scores = g.node("Add", [scores, mask], f"{layer}.masked")
        odds = g.node("Softmax", [scores], f"{layer}.odds", axis=-1)
        mixed = g.node("MatMul", [odds, value], f"{layer}.mixed")
        mixed = g.node("Transpose", [mixed], f"{layer}.joined", perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", [mixed, "hidden_shape"], f"{layer}.context")
        return linear(mixed, f"{layer}.output.dense")

    g.ints("heads_shape", [0, 0, heads, hidden // heads])
    g.ints("hidden_shape", [0, 0, hidden])
    g.floats("scale", [], struct.pack("<f", (hidden // heads) ** 0.5))

    # 1 where there is a token and 0 where there is padding becomes 0 and a number that Softmax turns into 0
    g.floats("one", [], struct.pack("<f", 1.0))
    g.floats("minus_much", [], struct.pack("<f", -10000.0))
    mask = g.node("Cast", ["attention_mask"], "mask.float", to=FLOAT)
    mask = g.node("Unsqueeze", [mask, g.ints("mask.axes", [1, 2])], "mask.wide")
    mask = g.node("Sub", ["one", mask], "mask.padding")
    mask = g.node("Mul", [mask, "minus_much"], "mask.bias")

    shape = g.node("Shape", ["input_ids"], "ids.shape")
    length = g.node("Gather", [shape, g.ints("one_index", [1])], "ids.length", axis=0)
    words = g.node("Gather", [copy("embeddings.word_embeddings.weight"), "input_ids"], "embeddings.words", axis=0)
    kinds = g.node("Gather", [copy("embeddings.token_type_embeddings.weight"), "token_type_ids"], "embeddings.kinds", axis=0)
    places = g.node("Slice", [copy("embeddings.position_embeddings.weight"), g.ints("zero_index", [0]), length], "embeddings.places")
    x = g.node("Add", [words, kinds], "embeddings.words_kinds")
    x = g.node("Add", [x, places], "embeddings.sum")
    x = norm(x, "embeddings.LayerNorm")

    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        attended = attention(x, f"{layer}.attention", mask)
        x = norm(g.node("Add", [attended, x], f"{layer}.attention.sum"), f"{layer}.attention.output.LayerNorm")
        inner = g.node("Gelu", [linear(x, f"{layer}.intermediate.dense")], f"{layer}.gelu")
        outer = linear(inner, f"{layer}.output.dense")
        x = norm(g.node("Add", [outer, x], f"{layer}.sum"), f"{layer}.output.LayerNorm")

    g.node("Identity", [x], "last_hidden_state")
    dims = ["batch", "sequence"]
    inputs = [value_info(name, INT64, dims) for name in ("input_ids", "attention_mask", "token_type_ids")]
    return g.model(inputs, [value_info("last_hidden_state", FLOAT, dims + [hidden])])


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    if sys.byteorder != "little":
        raise SystemExit("export_model: needs a little-endian machine")
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    Path(sys.argv[2]).write_bytes(encoder(Weights(folder / "model.safetensors"), config))


if __name__ == "__main__":
    main()
