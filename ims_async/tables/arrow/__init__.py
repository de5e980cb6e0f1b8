"""Arrow and Parquet: records as frames, decisions out of frames, and Parquet files.

Needs the extra `arrow`; pyarrow is imported by one module, when a frame is first asked for.
"""
