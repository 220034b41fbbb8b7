"""The parts of `benchmarks.soak`: what is sent, who sends, what goes wrong, who looks on."""
