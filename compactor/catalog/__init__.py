"""What Athena, Spark and Redshift know of the lake: tables, partitions, views.

`layout` builds values from what manifests name; `ddl` and its neighbours print them as SQL, `glue`
registers them. Only complete snapshots are in a layout, so that nothing else can be registered.
"""
