"""What PostgREST does for Supabase's clients, as far as their `rpc` goes: functions called by name over HTTP.

`routines` knows what can be called, `request` reads what is asked, `call` asks Postgres and renders the
answer, `problems` gives refusals the form and the statuses that clients expect. PostgREST 13 is what all of
it is compared with; docs/supabase-clients.md lists what is left out.
"""
