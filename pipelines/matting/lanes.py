"""Eight numbers at once inside Numba kernels.

Numba compiles loops over memory whose ends and overlaps it does not know, so that short inner loops
stay scalar. Matting works on chunks of eight neighbouring voxels; `Lanes` is such a chunk in a
vector register. Sum and product are those of Python's operators; LLVM maps them to whatever the
processor has.

    >>> @compiled
    ... def add(a, b, out):
    ...     store(out, 0, load(a, 0) + 2 * load(b, 0))
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models, register_default
from numba.extending import intrinsic, overload

WIDTH = 8
"""Numbers in `Lanes`."""

_FAST = ("contract", "nsz", "reassoc")
_IR = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


class Lanes(types.Type):
    """Eight float32 or float64 in a register."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_default(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(_IR[fe_type.dtype], WIDTH))


def _pointer(context, builder, array_type, array, index, count_type):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), count_type.as_pointer())


def _mask(*order: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), list(order))


@intrinsic
def load(typingctx, array, index):
    """`array[index:index + 8]` of a flat contiguous array of float32 or float64."""
    lanes = Lanes(array.dtype)

    def codegen(context, builder, signature, arguments):
        kind = ir.VectorType(_IR[array.dtype], WIDTH)
        place = _pointer(context, builder, signature.args[0], *arguments, kind)
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, lanes):
    """Set `array[index:index + 8]`."""

    def codegen(context, builder, signature, arguments):
        kind = ir.VectorType(_IR[array.dtype], WIDTH)
        place = _pointer(context, builder, signature.args[0], *arguments[:2], kind)
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def splat(typingctx, array, value):
    """The same number eight times, of the type of `array`'s elements."""

    def codegen(context, builder, signature, arguments):
        kind = ir.VectorType(_IR[array.dtype], WIDTH)
        first = builder.insert_element(
            ir.Constant(kind, ir.Undefined), arguments[1], ir.Constant(ir.IntType(32), 0)
        )
        return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), _mask(*[0] * WIDTH))

    return Lanes(array.dtype)(array, array.dtype), codegen


@intrinsic
def total(typingctx, lanes):
    """Sum of the eight numbers."""

    def codegen(context, builder, signature, arguments):
        (value,) = arguments
        for half in (4, 2, 1):
            order = [(i + half) % WIDTH for i in range(WIDTH)]
            moved = builder.shuffle_vector(value, value, _mask(*order))
            value = builder.fadd(value, moved, flags=_FAST)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return lanes.dtype(lanes), codegen


@intrinsic
def lower(typingctx, left, middle):
    """Each number's left neighbour, where `left` is the chunk before `middle`."""

    def codegen(context, builder, signature, arguments):
        order = range(WIDTH - 1, 2 * WIDTH - 1)
        return builder.shuffle_vector(*arguments, _mask(*order))

    return middle(left, middle), codegen


@intrinsic
def upper(typingctx, middle, right):
    """Each number's right neighbour, where `right` is the chunk after `middle`."""

    def codegen(context, builder, signature, arguments):
        return builder.shuffle_vector(*arguments, _mask(*range(1, WIDTH + 1)))

    return middle(middle, right), codegen


@intrinsic
def where_positive(typingctx, condition, value):
    """`value` where `condition` is greater than 0, else 0."""

    def codegen(context, builder, signature, arguments):
        zero = ir.Constant(arguments[0].type, None)
        positive = builder.fcmp_ordered(">", arguments[0], zero)
        return builder.select(positive, arguments[1], zero)

    return value(condition, value), codegen


def _arithmetic(name: str):
    @intrinsic
    def apply(typingctx, a, b):
        def codegen(context, builder, signature, arguments):
            return getattr(builder, name)(*arguments, flags=_FAST)

        return a(a, b), codegen

    def overloaded(a, b):
        if isinstance(a, Lanes) and a == b:
            return lambda a, b: apply(a, b)
        return None

    return overloaded


overload(operator.add)(_arithmetic("fadd"))
overload(operator.sub)(_arithmetic("fsub"))
overload(operator.mul)(_arithmetic("fmul"))
overload(operator.truediv)(_arithmetic("fdiv"))
