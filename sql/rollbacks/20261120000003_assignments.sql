alter table public.chats drop constraint chats_assigned_has_open_hold;
drop table private.gate;
drop table private.operator_load;
drop table public.chat_history;
drop table public.operator_stats;
drop table public.operator_activity;
drop table public.chat_assignments;
