-- prepare_session: what every session is set to. Never weaker than what the server was given.
select set_config('plan_cache_mode', 'force_generic_plan', false) as "plans!",
       set_config('idle_in_transaction_session_timeout', '60s', false) as "idle!",
       set_config('lock_timeout', '30s', false) as "locks!",
       set_config('timezone', 'UTC', false) as "zone!",
       case when current_setting('synchronous_commit') in ('off', 'local')
            then set_config('synchronous_commit', 'on', false) else '' end as "commits!"
