fn main(){ println!("{}", tch::get_num_threads()); }
