drop index public.idx_chats_ended, public.idx_chats_ended_priority;
