"""Frames of enhanced (multi-frame) CT: where each lies, and which of them form one stack."""

from dicomnode.frames.frame import Concatenation, Frame, FrameFile, FrameObject
from dicomnode.frames.functional_groups import UnreadableFrames, read_frame_file, read_frames
from dicomnode.frames.single_frame import frame_headers, read_headers
from dicomnode.frames.stacks import split_into_stacks
from dicomnode.frames.suitability import UnsuitableFrame, check_frame
from dicomnode.marks.slice_name import frame_of, slice_name

__all__ = [
    "Concatenation",
    "Frame",
    "FrameFile",
    "FrameObject",
    "UnreadableFrames",
    "UnsuitableFrame",
    "check_frame",
    "frame_headers",
    "frame_of",
    "read_frame_file",
    "read_frames",
    "read_headers",
    "slice_name",
    "split_into_stacks",
]
