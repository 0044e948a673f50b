drop index public.idx_messages_words, public.idx_chats_words, public.idx_real_users_words,
  public.idx_chat_notes_words, public.idx_tickets_words,
  public.idx_messages_created_at, public.idx_chat_history_at;
