"""Sound to codes and codes to sound, one 80 ms frame at a time, over many slots.

The interface is `base.Codec`; `nano` is the embedded codec, `mimi` that of Moshi and its relatives.
Knows no model, no network and no files but checkpoints. Nothing is imported here: `errors` must
stay cheap for the command line.
"""
