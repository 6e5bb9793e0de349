"""Past one machine: executors for independent work, and places for its files.

workers        the protocols, and work in this process
ray_cluster    a Ray cluster that runs, or one of this command alone
cluster_guard  ends the latter with its command, also where that is killed
ray_workers    the same work on a Ray cluster
ray_tasks      work that is decided on while other work is done
ray_visible    nodes that lack the command's folders are named first
worker_errors  errors as text, from one machine to another
ray_trials     a sweep's trainings as trials of Ray Tune
place          a folder here or anywhere: whole files in, whole files out
remote         places that pyarrow knows (S3, GCS, HDFS), with retries
"""

from edgekd.scale.place import LocalPlace, Place, open_place
from edgekd.scale.workers import Here, Trials, Workers

__all__ = ["Here", "LocalPlace", "Place", "Trials", "Workers", "open_place"]
