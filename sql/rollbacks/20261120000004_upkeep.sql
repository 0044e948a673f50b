drop table private.jobs;
drop table private.rate_buckets;
