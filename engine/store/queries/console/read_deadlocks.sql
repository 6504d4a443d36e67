-- read_deadlocks: deadlocks that Postgres counted in this database (I20).
select deadlocks as "deadlocks!" from pg_stat_database where datname = current_database()
