"""`python -m benchmarks.precision`: does training in bfloat16 come to what training in float32 comes to?"""
