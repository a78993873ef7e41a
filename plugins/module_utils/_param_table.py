# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of Lustre's tunables and what sort of value each takes (data only).

An MGS stores any name for ever and does not know the tunables of clients, so a name is
checked against this list and against what the node itself has.  Collected from what the
nodes of a running Lustre 2.17.0 list, and from the tunables that 2.15 and 2.16 document;
instance parts are written ``*``.  A line is: prefix, kind (see ``_units``), names.
Sizes carry the unit of a bare number: ``size:M`` counts MiB. What 2.17.0 refused is called by what that leaves of it: ``plain``
sizes take no unit, and checksum_type of servers can only be read.
"""

from __future__ import annotations

LINES = """
-                       int       at_early_margin at_extra at_history at_max at_min at_unhealthy_factor bulk_timeout ldlm_timeout timeout ping_interval
-                       int       debug_peer_on_timeout debug_raw_pointers watchdog_ratelimit console_backoff console_max_delay_centisecs
-                       int       console_min_delay_centisecs fail_val fail_err expected_clients
-                       bool      dump_on_eviction dump_on_timeout lbug_on_eviction enable_health_write enable_fname_encoding enable_stats_header
-                       bool      panic_on_lbug console_ratelimit
-                       plain:M   max_dirty_mb
-                       trace:M   debug_mb
-                       text      jobid_name jobid_var jobid_this_session debug_path debug_log_upcall fail_loc portal_rotor daemon_file
-                       flags     debug printk subsystem_debug subsystem_printk
-                       command   no_transno debug_marker dump_kernel force_lbug peers nis stats
-                       readonly  health_check memused memused_max pinger version buffers catastrophe cpu_partition_distance
-                       readonly  cpu_partition_table lnet_lnd_timeout lnet_memused routers routes checksum_speed devices
llite.*                 bool      checksums checksum_pages dir_read_on_open enable_filename_encryption enable_statahead_fname fast_read file_heat
llite.*                 bool      filename_enc_use_old_base64 foreign_symlink_enable hybrid_io inode_cache intent_mkdir lazystatfs parallel_dio
llite.*                 bool      statahead_agl statfs_project tiny_write unaligned_dio xattr_cache enable_mlock_pages pcc_async_affinity
llite.*                 int       default_easize enable_setstripe_gid heat_decay_percentage heat_period_second max_read_ahead_async_active
llite.*                 int       namelen_max opencache_max_ms opencache_threshold_count opencache_threshold_ms statahead_batch_max
llite.*                 int       statahead_fname_match_hit statahead_fname_predict_hit statahead_max statahead_min statahead_running_max
llite.*                 int       statahead_timeout statfs_max_age stats_track_gid stats_track_pid stats_track_ppid
llite.*                 size:M    max_cached_mb max_read_ahead_mb max_read_ahead_per_file_mb max_read_ahead_whole_mb
llite.*                 plain:M   read_ahead_async_file_threshold_mb
llite.*                 size:K    read_ahead_range_kb
llite.*                 size:1    hybrid_io_read_threshold_bytes hybrid_io_write_threshold_bytes pcc_async_threshold
llite.*                 plain:1   stat_blocksize
llite.*                 text      foreign_symlink_prefix foreign_symlink_upcall nosquash_nids root_squash pcc_mode
llite.*                 command   dump_page_cache extents_stats extents_stats_per_process offset_stats pcc read_ahead_stats statahead_stats stats
llite.*                 command   unevict_cached_mb unstable_stats foreign_symlink_upcall_info
llite.*                 readonly  blocksize client_type filesfree filestotal fstype kbytesavail kbytesfree kbytestotal max_easize maxbytes
llite.*                 readonly  sbi_flags site statfs_state uuid
osc.*                   bool      active checksums checksum_dump enable_page_cache_shrink grant_shrink pinger_recov
osc.*                   int       max_rpcs_in_flight idle_timeout grant_shrink_interval resend_count at_history at_max at_min
osc.*                   int       at_unhealthy_factor ldlm_enqueue_min
osc.*                   size:M    max_dirty_mb
osc.*                   command   osc_unevict_cached_mb
osc.*                   readonly  cur_grant_bytes
mdc.*                   readonly  cur_grant_bytes
osc.*                   size:1    short_io_bytes
osc.*                   pages     max_pages_per_rpc
osc.*                   size:M    max_mb_per_rpc_read max_mb_per_rpc_write
osc.*                   choice    checksum_type
osc.*                   command   idle_connect ping rpc_stats stats osc_stats osc_cached_mb io_latency_stats
osc.*                   readonly  import state timeouts connect_flags ost_conn_uuid ost_server_uuid conn_uuid cur_dirty_bytes cur_dirty_grant_bytes
osc.*                   readonly  cur_lost_grant_bytes destroys_in_flight uuid kbytesavail kbytesfree kbytestotal filesfree filestotal blocksize
osc.*                   readonly  maxbytes namelen_max statfs_state srpc_info srpc_contexts
mdc.*                   bool      active checksums checksum_dump grant_shrink lsom pinger_recov
mdc.*                   int       max_rpcs_in_flight max_mod_rpcs_in_flight grant_shrink_interval at_history at_max at_min
mdc.*                   int       at_unhealthy_factor dom_min_repsize
mdc.*                   size:M    max_dirty_mb max_mb_per_rpc_read max_mb_per_rpc_write
mdc.*                   pages     max_pages_per_rpc
mdc.*                   choice    checksum_type
mdc.*                   command   ping rpc_stats batch_stats stats mdc_stats mdc_cached_mb
mdc.*                   readonly  import state timeouts connect_flags mds_conn_uuid mds_server_uuid conn_uuid cur_dirty_grant_bytes
mdc.*                   readonly  cur_lost_grant_bytes uuid kbytesavail kbytesfree kbytestotal filesfree filestotal srpc_info srpc_contexts
mgc.*                   bool      dynamic_nids
mgc.*                   int       at_history at_max at_min at_unhealthy_factor
mgc.*                   command   ping
mgc.*                   readonly  import state ir_state connect_flags mgs_server_uuid mgs_conn_uuid conn_uuid uuid
lmv.*                   int       qos_maxage
lmv.*                   percent   qos_prio_free qos_threshold_rr
lmv.*                   text      qos_exclude_prefixes qos_exclude_patterns
lmv.*                   command   qos_rr_index
lmv.*                   readonly  numobd activeobd desc_uuid uuid kbytesavail kbytesfree kbytestotal filesfree filestotal
lov.*                   int       stripecount stripeoffset stripetype
lov.*                   size:1    stripesize
lov.*                   readonly  numobd activeobd desc_uuid target_obd pools uuid kbytesavail kbytesfree kbytestotal filesfree filestotal
lod.*                   bool      dist_txn_check_space lmv_failout
lod.*                   int       stripecount stripeoffset stripetype max_stripecount max_mdt_stripecount max_stripes_per_mdt mdt_stripecount
lod.*                   int       mdt_stripetype qos_maxage mdt_qos_maxage
lod.*                   size:1    stripesize dom_stripesize
lod.*                   size:K    dom_stripesize_max_kb
lod.*                   size:M    dom_threshold_free_mb
lod.*                   percent   qos_prio_free qos_threshold_rr mdt_qos_prio_free mdt_qos_threshold_rr
lod.*                   text      mdt_hash
lod.*                   readonly  activeobd numobd mdt_activeobd mdt_numobd desc_uuid uuid target_obd mdt_obd qos_ost_weights qos_mdt_weights
lod.*                   readonly  dom_stripesize_cur_kb kbytesavail kbytesfree kbytestotal filesfree filestotal statfs_state pools
lod.*.pool.*            percent   spill_threshold_pct
lod.*.pool.*            text      spill_target
osp.*                   bool      active
osp.*                   int       create_count lfsck_max_rpcs_in_flight max_create_count max_mod_rpcs_in_flight max_rpcs_in_flight
osp.*                   int       max_rpcs_in_progress max_sync_changes maxage reserved_ino_high reserved_ino_low
osp.*                   size:M    reserved_mb_high reserved_mb_low
osp.*                   command   ping force_sync prealloc_force_new_seq sync_changes stats rpc_stats
osp.*                   readonly  import state timeouts connect_flags destroys_in_flight error_list prealloc_last_id prealloc_last_seq prealloc_next_id
osp.*                   readonly  prealloc_next_seq prealloc_reserved prealloc_status mdt_conn_uuid ost_conn_uuid uuid kbytesavail kbytesfree
osp.*                   readonly  kbytestotal filesfree filestotal srpc_info srpc_contexts
mdt.*                   bool      checksum_dump checksum_t10pi_enforce dir_restripe_nsonly dom_read_open enable_chprojid_gid enable_dir_auto_split
mdt.*                   bool      enable_dir_migration enable_dir_restripe enable_dmv_implicit_inherit enable_dmv_xattr enable_pin_gid
mdt.*                   bool      enable_parallel_rename_crossdir enable_parallel_rename_dir enable_parallel_rename_file enable_remote_dir
mdt.*                   bool      enable_remote_rename enable_remote_subdir_mount enable_rename_trylock enable_resource_id_check enable_strict_som
mdt.*                   bool      enable_striped_dir evict_tgt_nids grant_compat_disable local_recovery migrate_hsm_allowed no_create readonly
mdt.*                   bool      commit_on_sharing
mdt.*                   int       async_commit_count at_history at_max at_min at_unhealthy_factor client_cache_count client_cache_seconds
mdt.*                   int       dir_split_count dir_split_delta enable_remote_dir_gid grant_check_threshold identity_acquire_expire identity_expire
mdt.*                   int       identity_int_acquire_expire identity_int_expire ir_factor job_cleanup_interval max_mod_rpcs_in_flight
mdt.*                   int       recovery_time_hard recovery_time_soft sync_count tgt_fmd_count tgt_fmd_seconds
mdt.*                   readonly  checksum_type
mdt.*                   choice    dom_lock sync_lock_cancel sync_lock_cancel_blocking
mdt.*                   text      enable_cap_mask hsm_control identity_upcall job_xattr root_squash
mdt.*                   nids      nosquash_nids
mdt.*                   command   evict_client identity_flush identity_info identity_int_flush job_stats md_stats rename_stats
mdt.*                   readonly  eviction_count hash_stats instance num_exports recovery_stale_clients recovery_status site_stats tot_dirty
mdt.*                   readonly  tot_granted tot_pending uuid
mdt.*.hsm               int       active_request_timeout default_archive_id grace_delay loop_period max_requests
mdt.*.hsm               text      policy user_request_mask group_request_mask other_request_mask
mdt.*.hsm               readonly  actions active_requests agents archive_count migrate_count remove_count restore_count
mdd.*                   bool      changelog_gc changelog_free_space_gc enable_shard_pfid sync_permission
mdd.*                   int       append_stripe_count atime_diff changelog_deniednext changelog_max_idle_indexes changelog_max_idle_time
mdd.*                   int       changelog_min_free_cat_entries changelog_min_gc_interval lfsck_async_windows lfsck_speed_limit
mdd.*                   records   changelog_mask
mdd.*                   text      append_pool
mdd.*                   readonly  changelog_size changelog_users changelog_current_mask lfsck_layout lfsck_namespace uuid
obdfilter.*             bool      checksum_dump checksum_t10pi_enforce degraded enable_resource_id_check enable_resource_id_repair
obdfilter.*             bool      grant_compat_disable no_create no_precreate readonly sync_journal read_cache_enable writethrough_cache_enable
obdfilter.*             int       access_log_size at_history at_max at_min atime_diff client_cache_count client_cache_seconds
obdfilter.*             int       grant_check_threshold ir_factor job_cleanup_interval lfsck_speed_limit precreate_batch recovery_time_hard
obdfilter.*             int       recovery_time_soft resource_id_repair_queue_count soft_sync_limit tgt_fmd_count tgt_fmd_seconds
obdfilter.*             size:M    brw_size
obdfilter.*             size:1    readcache_max_filesize
obdfilter.*             readonly  checksum_type
obdfilter.*             choice    sync_lock_cancel sync_on_lock_cancel
obdfilter.*             text      access_log_mask
obdfilter.*             command   evict_client job_stats stats
obdfilter.*             readonly  blocksize brw_stats eviction_count filesfree filestotal fstype grant_precreate instance kbytesavail kbytesfree
obdfilter.*             readonly  kbytestotal last_id lfsck_layout maxbytes num_exports recovery_stale_clients recovery_status seqs_allocated
obdfilter.*             readonly  site_stats statfs_state tot_dirty tot_granted tot_pending uuid namelen_max
osd-ldiskfs.*           bool      enable_projid_xattr nonrotational pdo read_cache_enable writethrough_cache_enable
osd-ldiskfs.*           int       auto_scrub extents_dense fallocate_zero_blocks full_scrub_ratio full_scrub_threshold_rate index_backup
osd-ldiskfs.*           size:1    readcache_max_filesize
osd-ldiskfs.*           size:M    readcache_max_io_mb writethrough_max_io_mb
osd-ldiskfs.*           command   brw_stats force_sync stats
osd-ldiskfs.*           readonly  blocksize extent_bytes_allocation filesfree filestotal fstype kbytesavail kbytesfree kbytestotal mntdev oi_scrub
osd-zfs.*               bool      nonrotational sync_on_lseek
osd-zfs.*               int       auto_scrub index_backup
osd-zfs.*               size:1    readcache_max_filesize
osd-zfs.*               command   brw_stats force_sync stats
osd-zfs.*               readonly  blocksize filesfree filestotal fstype kbytesavail kbytesfree kbytestotal mntdev oi_scrub
osd-*.*.quota_slave     text      enabled
osd-*.*.quota_slave     command   force_reint
osd-*.*.quota_slave     bool      root_prj_enable
osd-*.*.quota_slave     readonly  acct_group acct_project acct_user info limit_group limit_project limit_user
osd-*.*.quota_slave_dt  text      enabled
osd-*.*.quota_slave_md  text      enabled
qmt.*.dt-0x0            readonly  glb-grp glb-prj glb-usr info
qmt.*.md-0x0            readonly  glb-grp glb-prj glb-usr info
ldlm                    bool      cancel_unused_locks_before_replay
ldlm                    size:M    lock_limit_mb lock_reclaim_threshold_mb
ldlm                    command   dump_granted_max dump_namespaces
ldlm                    readonly  ldlm_enqueue_min lock_granted_count
ldlm.namespaces.*       bool      dump_stack_on_error early_lock_cancel
ldlm.namespaces.*       int       contended_locks contention_seconds ctime_age_limit dirty_age_limit lru_cancel_batch lru_size max_nolock_bytes
ldlm.namespaces.*       int       max_parallel_ast ns_recalc_pct
ldlm.namespaces.*       time      lru_max_age
ldlm.namespaces.*       readonly  lock_count lock_timeouts lock_unused_count resource_count
ldlm.namespaces.*.pool  int       limit lock_volume_factor recalc_period
ldlm.namespaces.*.pool  readonly  cancel_rate client_lock_volume grant_plan grant_rate grant_speed granted recalc_time server_lock_volume state
ldlm.namespaces.*.pool  command   stats
ldlm.services.*         int       high_priority_ratio req_buffer_history_max req_buffers_max threads_max threads_min
ldlm.services.*         int       nrs_delay_max nrs_delay_min nrs_delay_pct
ldlm.services.*         nrs       nrs_policies
ldlm.services.*         command   nrs_tbf_rule nrs_crrn_quantum nrs_orr_quantum nrs_orr_offset_type nrs_orr_supported stats
ldlm.services.*         readonly  req_buffer_history_len req_history threads_started timeouts
ost.OSS.*               int       high_priority_ratio req_buffer_history_max req_buffers_max threads_max threads_min
ost.OSS.*               int       nrs_delay_max nrs_delay_min nrs_delay_pct
ost.OSS.*               nrs       nrs_policies
ost.OSS.*               command   nrs_tbf_rule nrs_crrn_quantum nrs_orr_quantum nrs_orr_offset_type nrs_orr_supported
ost.OSS.*               command   nrs_trr_quantum nrs_trr_offset_type nrs_trr_supported stats
ost.OSS.*               readonly  req_buffer_history_len req_history threads_started timeouts
mds.MDS.*               int       high_priority_ratio req_buffer_history_max req_buffers_max threads_max threads_min
mds.MDS.*               int       nrs_delay_max nrs_delay_min nrs_delay_pct
mds.MDS.*               nrs       nrs_policies
mds.MDS.*               command   nrs_tbf_rule nrs_crrn_quantum nrs_orr_quantum nrs_orr_offset_type nrs_orr_supported stats
mds.MDS.*               readonly  req_buffer_history_len req_history threads_started timeouts
mgs.MGS                 int       at_history at_max at_min at_unhealthy_factor ir_timeout
mgs.MGS                 command   evict_client
mgs.MGS                 readonly  eviction_count filesystems hash_stats num_exports srpc_rules uuid fstype mntdev
mgs.MGS.mgs             int       high_priority_ratio req_buffer_history_max req_buffers_max threads_max threads_min
mgs.MGS.mgs             nrs       nrs_policies
mgs.MGS.live            command   *
"""
