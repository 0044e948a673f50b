drop index public.idx_chats_active;
drop index public.idx_chats_completed;
drop index public.idx_chats_waiting_reply;
alter table public.chat_history drop column xid;
drop table public.chat_snoozes;
drop table public.chat_drafts;
