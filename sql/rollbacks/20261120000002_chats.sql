drop table public.read_marks;
drop table public.message_revisions;
drop table public.messages;
drop table public.chats;
